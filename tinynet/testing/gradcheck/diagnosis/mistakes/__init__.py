"""The usual mistakes of a backward pass, by what they leave a mark in."""
