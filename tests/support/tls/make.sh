#!/bin/bash
# Makes the certificates of this folder anew, with openssl. They are for tests on the loopback alone: an authority that
# nobody trusts but these tests, and the only key, which all servers of these tests share.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap "rm -rf '$work'" EXIT
openssl ecparam -name prime256v1 -genkey -noout -out "$work/key"
openssl req -x509 -new -key "$work/key" -subj "/CN=Flux tests" -days 36500 -out authority.pem \
  -addext keyUsage=critical,keyCertSign
touch "$work/index"
cat >"$work/ca.conf" <<CONF
[ca]
default_ca = tests
[tests]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CONF

# make FILE NAME FIRST_DAY LAST_DAY
make() {
  openssl req -new -key "$work/key" -subj "/CN=$1" -addext "subjectAltName=$2" -out "$work/$1.csr"
  openssl ca -batch -notext -config "$work/ca.conf" -keyfile "$work/key" -cert authority.pem -startdate "$3" \
    -enddate "$4" -in "$work/$1.csr" -out "$work/$1.crt" 2>/dev/null
  cat "$work/$1.crt" "$work/key" >"$1.pem"
}
make right IP:127.0.0.1 20200101000000Z 21200101000000Z
make wrong_name DNS:elsewhere.invalid 20200101000000Z 21200101000000Z
make expired IP:127.0.0.1 20200101000000Z 20200201000000Z
openssl req -x509 -new -key "$work/key" -subj "/CN=self_signed" -addext subjectAltName=IP:127.0.0.1 -days 36500 \
  -out "$work/self_signed.crt"
cat "$work/self_signed.crt" "$work/key" >self_signed.pem
