#!/bin/sh
# JupyterLab asks whether to show news also where its server has no news to fetch.
#
# `LabApp.news_url=None` is the documented way to turn the fetching of announcements off. The page does not know of it:
# the question "Would you like to get notified about official Jupyter news?" covers a corner of it all the same, at each
# start of a new user, and a yes fetches nothing. What keeps it from being asked is the page's own setting `fetchNews`,
# for example as a default in `labconfig/default_setting_overrides.json` on Jupyter's configuration path.
#
# Seen with jupyterlab 4.5.0 in Chromium:
#     news_url=None: asked
#     fetchNews=false: not asked
#
# Needs Python 3.11 with venv, and Chromium as `chromium` or in $CHROMIUM. Takes about two minutes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "jupyterlab==4.5.0" "playwright==1.55.0"
cat > "$folder/look.py" <<'PYTHON'
import json, os, pathlib, re, shutil, subprocess, sys
from playwright.sync_api import sync_playwright

QUESTION = "notified about official Jupyter news"
folder = pathlib.Path(sys.argv[1])


def is_asked(name, overrides, *options):
    home = folder / name
    (home / "work").mkdir(parents=True)
    config = home / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "default_setting_overrides.json").write_text(json.dumps(overrides))
    names = {"HOME": str(home), "JUPYTER_CONFIG_PATH": str(config.parent), "PATH": os.environ["PATH"]}
    lab = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0",
         "--IdentityProvider.token=", f"--ServerApp.root_dir={home / 'work'}", *options],
        env=names, stderr=subprocess.PIPE, text=True)
    try:
        address = next(found[0] for line in lab.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+/lab", line)))
        browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as tool:
            page = tool.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"]).new_page()
            page.goto(address)
            page.locator("#jp-main-dock-panel").wait_for()
            page.wait_for_function("document.querySelector('#jupyterlab-splash') === null")
            # It comes with the first answer of the announcements, some seconds after the page is there.
            for _ in range(100):
                if page.get_by_text(QUESTION).count():
                    return True
                page.wait_for_timeout(100)
            return False
    finally:
        lab.terminate()
        lab.wait()


NO_NEWS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
seen = {
    "news_url=None": is_asked("no-url", {}, "--LabApp.news_url=None"),
    "fetchNews=false": is_asked("no-news", NO_NEWS),
}
for how, asked in seen.items():
    print(f"{how}: {'asked' if asked else 'not asked'}")
sys.exit(seen != {"news_url=None": True, "fetchNews=false": False})
PYTHON
"$folder/venv/bin/python" "$folder/look.py" "$folder"
