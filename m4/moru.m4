dnl MORU_MISSED(what, Debian, Fedora, Homebrew)
dnl Notes a missing package for the one message at the end.
AC_DEFUN([MORU_MISSED],
    [moru_missing="$moru_missing
  $(printf '%-11s %-16s %-20s %s' '$1' '$2' '$3' '$4')"])

dnl MORU_MISSED_OPTIONAL(what, Debian, Fedora, Homebrew)
dnl As above, for a package that configure can do without.
AC_DEFUN([MORU_MISSED_OPTIONAL],
    [moru_missing_optional="$moru_missing_optional
  $(printf '%-11s %-16s %-20s %s' '$1' '$2' '$3' '$4')"])

dnl MORU_LIBRARY(VARIABLE, what, pkg-config modules, header, library, function, Debian, Fedora, Homebrew,
dnl              extra include dirs, extra library dirs)
dnl Finds a library by pkg-config (the first module that is there), else by its header and a link test, also in the extra
dnl directories. Sets VARIABLE_CFLAGS, VARIABLE_LIBS and moru_VARIABLE, the text of the summary.
AC_DEFUN([MORU_LIBRARY], [
    moru_$1=no
    m4_ifval([$3], [m4_foreach_w([moru_module], [$3], [
    AS_IF([test "$moru_$1" = no],
        [PKG_CHECK_MODULES([$1], [moru_module],
            [moru_$1="$($PKG_CONFIG --modversion moru_module 2>/dev/null)"
             test -n "$moru_$1" || moru_$1="yes"
             moru_requires_$1="moru_module"], [:])])])])
    AS_IF([test "$moru_$1" = no], [
        moru_save_CPPFLAGS=$CPPFLAGS moru_save_LIBS=$LIBS
        AC_MSG_CHECKING([for $2 without pkg-config])
        for moru_include in "" $10; do
            for moru_lib in "" $11; do
                for moru_name in $5; do
                    AS_IF([test "$moru_$1" = no], [
                        moru_cflags="${moru_include:+-I$moru_include}"
                        moru_libs="${moru_lib:+-L$moru_lib }-l$moru_name"
                        CPPFLAGS="$moru_save_CPPFLAGS $moru_cflags" LIBS="$moru_libs $moru_save_LIBS"
                        AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdlib.h>
                            #include <$4>]], [[return (void *) $6 == NULL;]])],
                            [moru_$1=yes; $1_CFLAGS="$moru_cflags"; $1_LIBS="$moru_libs"
                             m4_ifval([$7], [moru_private_libs="$moru_private_libs $moru_libs"])])])
                done
            done
        done
        CPPFLAGS=$moru_save_CPPFLAGS LIBS=$moru_save_LIBS
        AC_MSG_RESULT([$moru_$1])])
    AC_SUBST([$1_CFLAGS])
    AC_SUBST([$1_LIBS])
    m4_ifval([$7], [AS_IF([test "$moru_$1" = no], [MORU_MISSED([$2], [$7], [$8], [$9])])])
])

dnl MORU_ISA(VARIABLE, level, flags, older flags)
dnl Does the compiler make code for this x86-64 level? Sets ISA_VARIABLE_CFLAGS and the conditional ISA_VARIABLE.
AC_DEFUN([MORU_ISA], [
    moru_isa_$1=no
    AS_CASE([$host_cpu], [x86_64|amd64], [
        for moru_flags in "$3" "$4"; do
            AS_IF([test "$moru_isa_$1" = no], [
                moru_save_CFLAGS=$CFLAGS
                CFLAGS="$CFLAGS $moru_flags"
                AC_MSG_CHECKING([whether $CC takes $moru_flags])
                AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
                    #ifndef __x86_64__
                    #error not 64 bits
                    #endif]], [])],
                    [moru_isa_$1=yes; ISA_$1_CFLAGS="$moru_flags"])
                AC_MSG_RESULT([$moru_isa_$1])
                CFLAGS=$moru_save_CFLAGS])
        done])
    AS_IF([test "$moru_isa_$1" = yes],
        [AC_DEFINE([MORU_BUILD_ISA_$1], [1], [Define to 1 if kernels are built for $2.])
         moru_isas="$moru_isas $2"])
    AC_SUBST([ISA_$1_CFLAGS])
    AM_CONDITIONAL([ISA_$1], [test "$moru_isa_$1" = yes])
])
