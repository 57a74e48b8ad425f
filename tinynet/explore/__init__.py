"""A page on which every number of a model can be touched: served live, or as one file that needs no Python."""

from tinynet.explore.explorer import Explorer, explore
from tinynet.explore.exporting.export import export_page

__all__ = ["Explorer", "explore", "export_page"]
