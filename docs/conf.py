"""The site: ``make docs`` builds it. Its source is the repository, so links stay as they are."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'docs/site')]

from ickd_mm.version import __version__ as release  # noqa: E402

project = 'ickd-mm'
author = 'the authors of ickd-mm'
extensions = [
    'myst_nb',
    'sphinx_external_toc',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'mathml',
]
root_doc = 'docs/index'
include_patterns = ['*.md', 'docs/**', 'configs/*/README.md', 'weights/README.md']
exclude_patterns = ['.*', 'data', 'work_dirs', 'build', 'dist', 'ickd_mm', 'tests', 'tools']

external_toc_path = 'docs/site/toc.yml'
external_toc_exclude_missing = False
myst_heading_anchors = 3
nb_execution_mode = 'off'  # the outputs in the files are those of a whole run
napoleon_use_ivar = True
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented_params'
autodoc_member_order = 'bysource'
autodoc_preserve_defaults = True
toc_object_entries_show_parents = 'hide'
python_maximum_signature_line_length = 60
html_math_renderer = 'mathml'

html_theme = 'sphinx_book_theme'
html_title = f'ickd-mm {release}'
html_static_path = ['site/static']
html_css_files = ['site.css']
html_additional_pages = {'index': 'redirect.html'}
templates_path = ['site']
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    'navbar_persistent': [],  # the search field is in the sidebar already
    'show_toc_level': 2,
    'use_download_button': False,
}
