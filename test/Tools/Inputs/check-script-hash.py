"""Fails unless a page's policy allows exactly the script that the page has."""
import base64
import hashlib
import re
import sys

page = open(sys.argv[1], encoding="utf-8").read()
allowed = re.search(r"script-src 'sha256-([^']*)'", page).group(1)
script, = re.findall(r"<script>(.*?)</script>", page, re.S)
actual = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
if allowed != actual:
    sys.exit("kScriptHash in lib/Driver/ReportPage.inc must be %s, is %s" % (actual, allowed))
