"""The environment of `make console`: where Chromium is, and where the pictures go."""

import os
import shutil

from deploy.local.settings import ROOT

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
IMAGES = ROOT / os.environ.get("IMAGES", "docs/images")
