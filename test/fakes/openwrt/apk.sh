#!/bin/sh
# apk, as far as a package of ours and a feed ask for it: apk update, apk add [--allow-untrusted] FILE|NAME…, apk upgrade NAME…,
# apk del NAME…. It knows no dependencies. What is in an index or a package no shell can read: it asks the reader whose address is
# in /run/reader, with the keys of this router.
info=/lib/apk/packages
index=/var/cache/apk.index
aside=/tmp/apk

# ask QUESTION FILE ANSWER
ask() {
	# busybox's wget ends at the first zero.
	{ [ "$trusts" ] || cat /etc/apk/keys/*; printf '\n--\n'; base64 "$2"; } >$aside.question
	nsenter -t 1 -n wget -q -O "$3" --post-file $aside.question "$(cat /run/reader)/$1"
}
update() {
	mkdir -p "${index%/*}"
	: >$index
	for each in $(cat /etc/apk/repositories.d/*.list); do
		wget -q -O $aside.adb "$each" && ask index $aside.adb $aside.answer || exit 1
		sed "s,^,${each%/*} ," $aside.answer >>$index
	done
}
# add FILE HASH
add() {
	local name file script=postinst
	rm -rf $aside
	mkdir -p $aside $info
	ask "package/$2" "$1" $aside.tar && tar -xf $aside.tar -C $aside || exit 1
	name=$(cat $aside/name)
	[ ! -e "$info/$name.is" ] || script=postupgrade
	touch $aside/conffiles
	for file in $(cat $aside/conffiles); do
		[ ! -e "$file" ] || (cd / && sha256sum -c "$info/$name.is" >/dev/null 2>&1) || mv "$aside/files$file" "$aside/files$file.apk-new"
	done
	(cd $aside/files && find . -type f | sed 's/^\.//' | sort) >"$info/$name.has"
	(cd $aside/files && sed 's/^/./' ../conffiles | xargs -r sha256sum) >"$info/$name.is"
	mv $aside/version "$info/$name.version"
	for file in $aside/scripts/*; do mv "$file" "$info/$name.${file##*/}"; done
	tar -cf $aside.tar -C $aside/files .
	tar -xf $aside.tar -C /
	rm -rf $aside*
	sh "$info/$name.$script"
}

verb=$1
shift
[ "$verb" != update ] || { update; exit; }
for each in "$@"; do
	case "$verb $each" in
	"add --allow-untrusted") trusts=everybody ;;
	"add "*/*) add "$each" any ;;
	"add "* | "upgrade "*)
		found=$(grep " $each " $index) || { echo "no $each"; exit 1; }
		set -- $found
		wget -q -O /tmp/apk.file "$1/$2-$3.apk" || exit 1
		add /tmp/apk.file "$4"
		;;
	"del "*)
		sh "$info/$each.prerm"
		for file in $(cat "$info/$each.has"); do
			grep -q " \.$file$" "$info/$each.is" && ! (cd / && sha256sum -c "$info/$each.is" >/dev/null 2>&1) && continue
			rm -f "$file" "$file.apk-new"
			rmdir -p "${file%/*}" 2>/dev/null
		done
		[ ! -e "$info/$each.postrm" ] || sh "$info/$each.postrm"
		rm "$info/$each".*
		;;
	esac
done
