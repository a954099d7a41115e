#!/bin/sh
# Make a virtual environment with the first Python 3.11 or newer that is found: make-venv.sh FOLDER
set -eu
folder=$1

find_python() {
    for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "blur_tools needs Python 3.11 or newer; set PYTHON to one" >&2
    exit 1
}

python=$(find_python)
"$python" -m venv "$folder" && exit 0

# Debian and Ubuntu keep venv in a package of its own
rm -rf "$folder"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq "python$version-venv"
    exec "$python" -m venv "$folder"
fi
echo "$python cannot make virtual environments; install its venv module, e.g. apt-get install python$version-venv" >&2
exit 1
