#!/usr/bin/env bash
# What does a page of the manual run on? Called with a directory and the binary. First it is root and only takes the binary in, then it is
# nobody, and root of namespaces that hold nothing of the machine's: two networks (here clients and Portcullis, far away the
# endpoints), the processes, and an /etc, /run and /var of its own. Then it runs each script whose path it reads.
set -euo pipefail
stage=$1

if [ "$2" != inside ]; then
  mount --bind "$2" "$stage/portcullis"
  exec setpriv --reuid 65534 --regid 65534 --clear-groups \
    unshare --map-root-user --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$stage" inside
fi

# /etc as it is, but for what pages change.
mount --rbind /etc "$stage/etc"
mount -t tmpfs tmpfs /etc
ln -s "$stage"/etc/* /etc/
rm -rf /etc/hosts /etc/resolv.conf /etc/portcullis /etc/nginx /etc/haproxy
ln -s "$stage/hosts" /etc/hosts
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
for place in /run /var/log /var/cache /var/lib; do mount -t tmpfs tmpfs "$place"; done
mkdir -p /etc/portcullis /etc/nginx /etc/haproxy /run/haproxy /var/log/portcullis /var/log/nginx /var/lib/nginx /var/lib/haproxy /var/cache/nginx

# Addresses for documentation are here, private ones are far away.
unshare --net sleep infinity >/dev/null 2>&1 &
far=$!
here=$(readlink /proc/self/ns/net)
while there=$(readlink "/proc/$far/ns/net") && [ "$there" = "$here" ]; do sleep 0.01; done
ip link set lo up
ip link add near type veth peer name far netns "$far"
ip address add 169.254.1.1/30 dev near
ip link set near up
nsenter --target "$far" --net bash -euc '
  ip link set lo up
  ip address add 169.254.1.2/30 dev far
  ip link set far up
  ip route add default via 169.254.1.1
  for network in 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16; do ip route add local "$network" dev lo; done'
for network in 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16; do ip route add "$network" via 169.254.1.2; done
for network in 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24; do ip route add local "$network" dev lo; done
ip -6 route add local 2001:db8::/32 dev lo

export STAGE=$stage HOME=$stage/work TMPDIR=$stage/tmp PATH="$stage/tools:$PATH"
export SSL_CERT_FILE=$stage/ca.pem CURL_CA_BUNDLE=$stage/ca.pem
cd "$stage/work"
echo "$here $there"
while read -r script; do
  bash -e -o pipefail "$script" >"$script.said" 2>&1 </dev/null && code=0 || code=$?
  echo "$code"
done
