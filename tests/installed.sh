#!/bin/sh
# installed.sh TESTS DESTDIR LIBDIR BINDIR: a program of a few lines finds the installed library by pkg-config, builds, runs.
set -eu
tests=$1 root=$2 libdir=$3 bindir=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

if [ -z "$PKG_CONFIG" ]; then
    echo "installcheck: skipped, there is no pkg-config"
    exit 0
fi
PKG_CONFIG_PATH="$root$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
PKG_CONFIG_SYSROOT_DIR=$root
LD_LIBRARY_PATH="$root$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
DYLD_LIBRARY_PATH=$LD_LIBRARY_PATH
export PKG_CONFIG_PATH LD_LIBRARY_PATH DYLD_LIBRARY_PATH
[ -z "$root" ] || export PKG_CONFIG_SYSROOT_DIR

flags=$($PKG_CONFIG --cflags --libs moru)
version=$($PKG_CONFIG --modversion moru)
$CC -std=gnu11 -Wall -Wextra -Werror $SANITIZER_CFLAGS "$tests/installed.c" -o "$dir/installed" $flags
"$dir/installed" "$version"
if [ "$CXX" != no ]; then
    printf '#include <moru.h>\n#include <string>\nint main() { return std::string(moru_version()) != MORU_VERSION; }\n' \
        >"$dir/installed.cc"
    $CXX -std=c++17 -Wall -Wextra -Werror $SANITIZER_CFLAGS "$dir/installed.cc" -o "$dir/installed_cxx" $flags
    "$dir/installed_cxx"
fi
"$root$bindir/moru" list >/dev/null
echo "installcheck: built and run against moru $version by pkg-config"
