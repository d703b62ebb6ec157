#!/bin/sh
# Makes configure and the Makefile templates from configure.ac and Makefile.am.
set -eu
cd "$(dirname "$0")"

packages="autoconf automake libtool pkg-config"
hint() {
    {
        echo "autogen.sh: $1"
        echo "  Debian, Ubuntu: sudo apt-get install $packages"
        echo "  Fedora:         sudo dnf install autoconf automake libtool pkgconf-pkg-config"
        echo "  Homebrew:       brew install autoconf automake libtool pkgconf"
    } >&2
    exit 1
}

missing=
command -v autoreconf >/dev/null 2>&1 || missing="$missing autoreconf"
command -v aclocal >/dev/null 2>&1 || missing="$missing aclocal"
command -v automake >/dev/null 2>&1 || missing="$missing automake"
command -v libtoolize >/dev/null 2>&1 || command -v glibtoolize >/dev/null 2>&1 || missing="$missing libtoolize"
[ -z "$missing" ] || hint "missing:$missing"

pkg_m4=no
for dir in "$(aclocal --print-ac-dir)" $(tr '\n' ' ' 2>/dev/null <"$(aclocal --print-ac-dir)/dirlist" || :) \
           $(printf '%s' "${ACLOCAL_PATH-}" | tr ':' ' ') /usr/share/aclocal /usr/local/share/aclocal \
           /opt/homebrew/share/aclocal; do
    [ ! -f "$dir/pkg.m4" ] || pkg_m4=yes
done
[ $pkg_m4 = yes ] || hint "missing: pkg.m4, which comes with pkg-config"

autoreconf --force --install
# configure would remove a core dump named "core", which is a folder here.
sed 's/rm -f core \*\.core core\.conftest/rm -f *.core core.conftest/; s/rm -f core conftest/rm -f conftest/' configure >configure~
cat configure~ >configure
rm -f configure~
echo "autogen.sh: done; now ./configure && make"
