"""Mistakes in well-known derivatives: of a normalisation, a softmax, a cross-entropy, a recurrent layer."""
