#!/bin/sh
# opkg, and the order in which a package comes, is replaced and goes: opkg update, opkg install|upgrade FILE|NAME…, opkg remove NAME….
# It knows no dependencies.
info=/usr/lib/opkg/info
lists=/var/opkg-lists
aside=/tmp/opkg

feeds() {
	sed -n 's/^src\/gz //p' /etc/opkg/*.conf
}
update() {
	mkdir -p $lists
	feeds | while read -r name url; do
		rm -f "$lists/$name"
		wget -q -O $aside.gz "$url/Packages.gz" && gunzip -c $aside.gz >$aside.list || exit 1
		wget -q -O $aside.sig "$url/Packages.sig" && opkg-key verify $aside.sig $aside.list || exit 1
		mv $aside.list "$lists/$name"
	done
}
# bring NAME: where a list tells of it, and it is as the list says.
bring() {
	feeds | while read -r name url; do
		awk -v RS= -v ORS='\n\n' -v name="Package: $1" 'index($0, name "\n") == 1' "$lists/$name" >$aside.entry
		[ -s $aside.entry ] || continue
		wget -q -O $aside.ipk "$url/$(sed -n 's/^Filename: //p' $aside.entry)" || exit 1
		echo "$(sed -n 's/^SHA256sum: //p' $aside.entry)  $aside.ipk" | sha256sum -c >&2 && echo $aside.ipk
	done
}
look() {
	rm -rf $aside
	mkdir -p $aside
	tar -xzf "$1" -C $aside
	for part in control data; do
		mkdir $aside/$part
		tar -xzf $aside/$part.tar.gz -C $aside/$part
	done
	name=$(sed -n 's/^Package: //p' $aside/control/control)
}
put() {
	local file
	touch $aside/control/conffiles
	(cd $aside/data && sed 's/^/./' ../control/conffiles | xargs -r sha256sum) >$info/$name.sums
	for file in $(cat $aside/control/conffiles); do
		[ -e "$file" ] || continue
		cmp -s "$file" "$aside/data$file" || cp -p "$aside/data$file" "$file-opkg"
		cp -p "$file" "$aside/data$file"
	done
	(cd $aside/data && find . -type f | sed 's/^\.//' | sort) >$info/$name.list
	for file in $aside/control/*; do mv "$file" "$info/$name.${file##*/}"; done
	tar -cf $aside/all.tar -C $aside/data .
	tar -xf $aside/all.tar -C /
	rm -rf $aside
}

verb=$1
shift
[ "$verb" != update ] || { update; exit; }
for each in "$@"; do
	case "$verb" in
	install | upgrade)
		file=$each
		[ -e "$file" ] || file=$(bring "$each")
		[ -e "$file" ] || { echo "no $each as its list says"; exit 1; }
		look "$file"
		[ "$verb" != upgrade ] || export PKG_UPGRADE=1
		[ "$verb" != upgrade ] || "$info/$name.prerm" upgrade
		put
		"$info/$name.postinst" configure
		;;
	remove)
		"$info/$each.prerm" remove
		for file in $(cat "$info/$each.list"); do
			grep -qx "$file" "$info/$each.conffiles" && ! (cd / && sha256sum -c "$info/$each.sums" >/dev/null 2>&1) && continue
			rm -f "$file"
			rmdir -p "${file%/*}" 2>/dev/null
		done
		[ ! -e "$info/$each.postrm" ] || "$info/$each.postrm" remove
		rm "$info/$each".*
		;;
	esac
done
