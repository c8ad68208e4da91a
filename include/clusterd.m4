# SPDX-License-Identifier: MIT
# CLUSTERD_PLUGIN_INIT: CLUSTERD_CFLAGS, and plugindir (--with-plugindir), for
# a package that builds plugins of clusterd with autoconf, automake, libtool.
AC_DEFUN([CLUSTERD_PLUGIN_INIT], [
	PKG_CHECK_MODULES([CLUSTERD], [clusterd])
	AC_ARG_WITH([plugindir],
		[AS_HELP_STRING([--with-plugindir=DIR], [where plugins go])],
		[plugindir=$withval],
		[PKG_CHECK_VAR([plugindir], [clusterd], [plugindir])])
	AC_SUBST([plugindir])
])
