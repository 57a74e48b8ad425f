"""The likely cause of a wrong gradient, told from where and how it is wrong."""
