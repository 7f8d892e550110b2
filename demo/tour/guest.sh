#!/bin/sh
# What the tour's guests do, besides what the guest image does by itself (user data, hyperv_simulator/guest_image): they
# mark their root disk, and say on the console what they see. Every line is "SEES <what> <which …>".
#
#   disk <slot> <MiB> <mark>   each disk; the first one gets a mark where it has none, and keeps it
#   dvd <slot>                 each DVD drive
#   nics <name>=<mac> …        at first, and when there is another one, or one less
#   password <hash>            of root, when it has been changed
#   tick <number>              once a second, if "ticks" is wished for
#   processors, nodes, tpm, mtu, content, tagged, ports     the hardware, if "hardware" is wished for
# "wish" is set in front of this. The loop starts as few programs as it can: many guests share a translated processor.

see() { echo "SEES $*"; }
read -r boot_id < /proc/sys/kernel/random/boot_id
name=$(hostname)

at=1000000 # sectors: far behind the 32 MiB of the image
mark_of() { dd if="/dev/$1" bs=512 skip=$at count=1 2> /dev/null | tr -d '\0'; }
root=
for disk in /sys/bus/scsi/devices/*/block/sd*; do
    [ -e "$disk" ] || continue
    device=${disk##*/}
    slot=${disk#/sys/bus/scsi/devices/}
    slot=${slot%%/*}
    mark=$(mark_of "$device")
    if [ -z "$root$mark" ]; then
        mark=$name-${boot_id%%-*}
        printf %s "$mark" | dd of="/dev/$device" bs=512 seek=$at conv=notrunc 2> /dev/null
        sync
    fi
    root=found
    read -r sectors < "$disk/size"
    see disk "$slot" $((sectors / 2048)) "${mark:-unmarked}"
done
for drive in /sys/bus/scsi/devices/*/block/sr*; do
    [ -e "$drive" ] && drive=${drive#/sys/bus/scsi/devices/} && see dvd "${drive%%/*}"
done

if [ "$wish" = hardware ]; then
    see processors "$(nproc)"
    set -- /sys/devices/system/node/node*
    see nodes $#
    [ -e /sys/firmware/acpi/tables/TPM2 ] && see tpm TPM2
    see mtu "$(cat /sys/class/net/eth0/mtu)"
    for disk in /sys/bus/scsi/devices/*/block/sd*; do
        slot=${disk#/sys/bus/scsi/devices/}
        swapon "/dev/${disk##*/}" 2> /dev/null && see content "${slot%%/*}" swap
        mount -t ext4 "/dev/${disk##*/}" /mnt 2> /dev/null && see content "${slot%%/*}" ext4
    done
    awk -F '\t' '/^devices/ { print "SEES tagged", $1, $2 }' /run/meta
    see ports "$(grep -c 16550 /proc/tty/driver/serial)"
fi

read_password() { while IFS=: read -r user hash _; do [ "$user" = root ] && break; done < /etc/passwd; }
read_password
known=$hash nics= tick=0
while sleep 1; do
    seen=
    for nic in /sys/class/net/eth*; do
        [ -e "$nic/address" ] && read -r mac < "$nic/address" && seen="$seen ${nic##*/}=$mac"
    done
    [ "$seen" = "$nics" ] || see nics$seen
    nics=$seen
    read_password
    [ "$hash" = "$known" ] || see password "$hash"
    known=$hash
    [ "$wish" = hardware ] && echo "$name on COM2" > /dev/ttyS1
    [ "$wish" = ticks ] && see tick $((tick += 1))
    [ -e /run/host_items/Tour.ShutDown ] && sync && poweroff -f
done
