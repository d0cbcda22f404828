"""Measure whether a page of the built site scrolls sideways on a phone.

``PYTHONPATH=tests python -m support.measure_site [build/site]`` lays every page into a frame of 400
pixels, in a headless Chromium, and names those that are wider. It needs ``chromium`` on the path.
"""

import functools
import html
import json
import re
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WIDTH = 400
SCRIPT = """<!doctype html><body><pre id="found"></pre><script>
const pages = %s, found = {};
function next() {
  const page = pages.pop();
  if (!page) {
    document.getElementById('found').textContent = JSON.stringify(found);
    return;
  }
  const frame = document.createElement('iframe');
  frame.style = 'width:%dpx;height:800px;border:0';
  frame.onload = () => {
    const root = frame.contentDocument.documentElement;
    const wide = [...root.querySelectorAll('body *')].filter(
      element => element.getBoundingClientRect().right > root.scrollWidth - 1);
    found[page] = [root.scrollWidth, wide.length ? wide.pop().outerHTML.slice(0, 200) : ''];
    frame.remove();
    next();
  };
  frame.src = page;
  document.body.append(frame);
}
next();
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    """Serve a folder without a log."""

    def log_message(self, *args):
        """Say nothing."""


def measure(site):
    """Return each page's width in a frame of 400 pixels, and the element that sticks out most."""
    # Not what leads on at once: the frame would be that of another page.
    pages = [str(file.relative_to(site)) for file in site.rglob('*.html') if file.parent != site]
    pages += [file.name for file in site.glob('*.html') if file.name != 'index.html']
    harness = site / '_measure.html'
    harness.write_text(SCRIPT % (json.dumps(pages), WIDTH))
    server = ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f'http://127.0.0.1:{server.server_port}/{harness.name}'
    flags = ['--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=600000']
    try:
        done = subprocess.run(
            ['chromium', *flags, '--dump-dom', address], capture_output=True, text=True, timeout=300
        )
    finally:
        server.shutdown()
        harness.unlink()
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-1000:]
    widths = json.loads(html.unescape(found.group(1)))
    assert {*widths} == {*pages}
    return widths


def main():
    """Print the pages that are wider than the frame."""
    widths = measure(Path(sys.argv[1] if sys.argv[1:] else 'build/site').resolve())
    wide = {page: found for page, found in widths.items() if found[0] > WIDTH}
    for page, (width, element) in wide.items():
        print(f'{page}: {width} pixels: {element}')
    print(f'{len(widths)} pages, {len(wide)} wider than {WIDTH} pixels')
    return bool(wide)


if __name__ == '__main__':
    sys.exit(main())
