"""The contract of a layer, and the rules that make it up."""
