"""Which pixels of its input a model's output depends on."""
