# procd and ujail, as far as our init script declares something: a process group for each instance, in a root that holds the mounts that are
# declared and nothing else, as the user that is declared, back after as many seconds as are declared. Capabilities and system calls stay.

procd_open_service() { services=/run/procd/$1; mkdir -p "$services"; }
procd_close_service() { :; }
procd_open_instance() { instance=$services/$1; wanted=$instance.new; : >"$wanted"; user=root group=root mounts= delay= command= environment=; }
procd_set_param() {
	local name=$1
	shift
	echo "$name $*" >>"$wanted"
	case "$name" in
	command) command="$*" ;;
	user) user=$1 ;;
	group) group=$1 ;;
	env) environment="$*" ;;
	respawn) delay=$2 ;;
	esac
}
procd_append_param() { echo "$*" >>"$wanted"; }
procd_add_jail() { echo "jail $*" >>"$wanted"; }
procd_add_jail_mount() { mounts="$mounts $*"; }
procd_add_jail_mount_rw() { mounts="$mounts $(printf '%s:rw ' "$@")"; }
procd_close_instance() {
	local jail=$instance.root mount
	echo "$mounts" >>"$wanted"
	# Who runs as declared goes on.
	if cmp -s "$wanted" "$instance.is" && [ -e "$instance.pid" ] && [ -d "/proc/$(cat "$instance.pid")" ]; then return; fi
	halt "$instance"
	mv "$wanted" "$instance.is"
	setsid unshare -m sh -c '
		jail=$1 command=$2 mounts=$3 user=$4 group=$5 delay=$6
		put() {
			[ -e "$1" ] || return
			if [ -d "$1" ]; then mkdir -p "$jail$2"; else mkdir -p "$jail${2%/*}"; : >>"$jail$2"; fi
			mount --bind "$1" "$jail$2"
			[ "$3" = rw ] || mount -o remount,bind,ro "$jail$2"
		}
		mkdir -p "$jail"
		mount -t tmpfs jail "$jail"
		for path in /lib /lib64 ${command%% *} /bin/busybox /dev/null /dev/zero /dev/urandom /etc/passwd /etc/group; do put "$path" "$path" rw; done
		put /proc /proc rw
		for each in $mounts; do
			from=${each%%:*} to=${each#*:} way=
			case "$to" in rw) to=$from way=rw ;; esac
			# Who somebody is does not cross the way to the bus: each user has a door of his own.
			[ ! -d "$from.$user" ] || from=$from.$user
			put "$from" "$to" "$way"
		done
		trap ended=1 TERM
		until [ "$ended" ]; do
			chroot "$jail" /bin/busybox start-stop-daemon -S -q -p /none -c "$user:$group" -x ${command%% *} -- ${command#* } &
			wait $!
			[ -z "$ended" ] || wait $!
			[ "$ended" ] || sleep "$delay"
		done' procd "$jail" "$command" "$mounts" "$user" "$group" "$delay" >>"/run/$(basename "$instance").log" 2>&1 </dev/null &
	echo $! >"$instance.pid"
}

halt() {
	local pid try
	[ -e "$1.pid" ] || return 0
	pid=$(cat "$1.pid")
	kill -TERM -- "-$pid" 2>/dev/null
	for try in $(seq 1000); do
		[ -d "/proc/$pid" ] || break
		usleep 10000
	done
	kill -KILL -- "-$pid" 2>/dev/null
	rm -f "$1.pid"
}
procd_kill() {
	local each
	for each in /run/procd/"$1"/*.pid; do halt "${each%.pid}"; done
}
