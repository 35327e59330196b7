# /lib/functions.sh of a router, as far as packages and init scripts of ours ask for it, written anew from what base-files does.

listing() {
	local root="$IPKG_INSTROOT"
	cat "$root/lib/apk/packages/$pkgname.list" "$root/usr/lib/opkg/info/$pkgname.list" 2>/dev/null
}

# PKG_UPGRADE keeps what the owner has enabled, and what he has not.
services() {
	local action script
	for script in $(listing | grep '^/etc/init.d/'); do
		for action in "$@"; do
			if [ -n "$IPKG_INSTROOT" ]; then
				sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$script" "$action"
			elif [ "$PKG_UPGRADE" != 1 ] || [ "$action" = start ] || [ "$action" = stop ]; then
				"$script" "$action"
			fi
		done
	done
}

add_group_and_user() {
	local root="$IPKG_INSTROOT" user
	user=$(cat "$root/lib/apk/packages/$pkgname.rusers" 2>/dev/null || sed -n 's/^Require-User: *//p' "$root/usr/lib/opkg/info/$pkgname.control")
	user=${user%%:*}
	[ -n "$user" ] || return
	grep -q "^$user:" "$root/etc/passwd" && return
	echo "$user:x:32768:$user" >>"$root/etc/group"
	echo "$user:x:32768:32768:$user:/var/run/$user:/bin/false" >>"$root/etc/passwd"
	echo "$user:x:0:0:99999:7:::" >>"$root/etc/shadow"
}

default_postinst() {
	local script
	[ -n "$pkgname" ] || pkgname=$(basename "${1%.*}")
	[ ! -e "$IPKG_INSTROOT/usr/lib/opkg/info/$pkgname.list" ] || add_group_and_user
	if [ -n "$IPKG_INSTROOT" ]; then
		services enable
		return
	fi
	for script in $(listing | grep '^/etc/uci-defaults/'); do
		(. "$script") && rm -f "$script"
	done
	services enable start
}

default_prerm() {
	[ -n "$pkgname" ] || pkgname=$(basename "${1%.*}")
	if [ -n "$IPKG_INSTROOT" ]; then services disable; else services disable stop; fi
}

# The files of /etc/config are nearly the shell's own language.
config_load() {
	sections=
	. "/etc/config/$1"
}
config() {
	section=$2
	sections="$sections $1/$2"
}
option() {
	eval "config_${section}_$1=\$2"
}
list() { :; }
config_get() {
	eval "$1=\$config_${2}_$3"
}
config_foreach() {
	local each
	for each in $sections; do
		[ "${each%/*}" != "$2" ] || "$1" "${each#*/}"
	done
}
