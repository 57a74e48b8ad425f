"""What prepares images in scripts written for Keras. It is elsewhere here, and asking for it says where.

What there is instead of each name is in `tinynet.elsewhere`.
"""
