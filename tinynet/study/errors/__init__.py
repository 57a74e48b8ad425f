"""Which samples a model misclassifies, and how confidently."""
