"""Which pixels count for a model's answer."""
