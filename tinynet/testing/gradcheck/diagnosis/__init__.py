"""The likely cause of a wrong gradient, inferred from where and how it is wrong."""
