"""The contract of a layer, and the rules it is made of."""
