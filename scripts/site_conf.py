# What scripts/site tells Sphinx: MyST reads Markdown as GitHub does, furo draws it, and nothing is loaded from a network.
project = "rtdetr"
extensions = ["myst_parser"]
root_doc = "docs/index"
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
highlight_language = "none"
html_theme = "furo"
html_title = "rtdetr"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
nitpicky = True
