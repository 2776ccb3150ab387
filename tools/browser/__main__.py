import sys

from tools.browser import NoBrowser, ensure_browser

try:
    print(ensure_browser())
except NoBrowser as error:
    sys.exit(str(error))
