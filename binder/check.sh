#!/usr/bin/env bash
# Run the commands of the Binder image's build in a clean environment, then each lesson on one core.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HOME="$folder/home"
unset LLMVISION_API_KEY LLMVISION_BASE_URL LLMVISION_CACHE LLMVISION_LOCAL_MODEL
mkdir "$HOME"

${PYTHON:-python3} -m venv "$folder/environment"
export PATH="$folder/environment/bin:$PATH"
python -m pip install --quiet --no-cache-dir -r binder/requirements.txt
binder/postBuild
python binder/check.py
