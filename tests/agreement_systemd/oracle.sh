# Asks the systemd of a root file system what it makes of its units: `systemd --test`, which loads everything as PID 1 would,
# runs the generators, builds the first transaction, prints all of it, and starts nothing.
# Without capabilities, with which systemd would give its generators a read-only world.
# Started in a user and mount namespace of its own, on a terminal of its own, as an ordinary user.
# In the environment: TREE, OUT, SYSTEMD_PROC_CMDLINE, and DEVICES, the names below /dev that exist.
set -eu
cd "$TREE"
mount --bind "$TREE" "$TREE"
cd "$TREE"
mount --rbind /proc proc
for directory in run dev sys; do mount -t tmpfs tmpfs "$directory"; done
touch dev/null
mount --bind /dev/null dev/null
mkdir -p sys/class/tty/console sys/fs/cgroup
mount --rbind /sys/fs/cgroup sys/fs/cgroup
active=
for device in $DEVICES; do
    touch "dev/$device"
    mkdir -p "sys/class/tty/$device"
    case $device in
    ttyS*)
        mount --bind "$(tty)" "dev/$device"
        active="$active $device"
        ;;
    esac
done
echo "${active# }" >sys/class/tty/console/active
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_PROC_CMDLINE="$SYSTEMD_PROC_CMDLINE" SYSTEMD_LOG_TARGET=console \
    chroot . setpriv --inh-caps=-all --ambient-caps=-all /lib/systemd/systemd --test --system --no-pager >"$OUT" 2>"$OUT.log"
