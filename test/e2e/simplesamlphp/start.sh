#!/usr/bin/env bash
# Starts Debian's SimpleSAMLphp as a SAML 2.0 identity provider on 127.0.0.1, from a private directory.
# Usage: start.sh [options]      (see --help; every option also has an environment variable)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

PORT=${IDP_PORT:-8181}
HOST=${IDP_HOST:-localhost}          # the name in URLs and in the entity id; the server itself binds 127.0.0.1 only
DIR=${IDP_DIR:-}
DOMAIN=${IDP_DOMAIN:-acme.test}      # domain of the users' mail addresses
export SSP_SIGN_ASSERTION=${IDP_SIGN_ASSERTION:-1} SSP_SIGN_RESPONSE=${IDP_SIGN_RESPONSE:-1}
export SSP_ENCRYPT=${IDP_ENCRYPT:-0} SSP_SSO_BINDINGS=${IDP_SSO_BINDINGS:-redirect,post} SSP_SIG_ALG=${IDP_SIG_ALG:-sha256}
export SSP_NAMEID=${IDP_NAMEID:-emailAddress} SSP_ATTRIBUTES=${IDP_ATTRIBUTES:-basic}
export SSP_WANT_SIGNED=${IDP_WANT_SIGNED:-0} SSP_LOGOUT=${IDP_LOGOUT:-traditional} SSP_NO_SLO=${IDP_NO_SLO:-0}
sps=()

usage() {
  cat <<USAGE
start.sh [options]: SimpleSAMLphp as an IdP at http://$HOST:$PORT/
  --port N                  port (default 8181)                                   IDP_PORT
  --host NAME               host name used in URLs (default localhost)            IDP_HOST
  --dir DIR                 private directory (default /tmp/samlgate-ssp-PORT)    IDP_DIR
  --domain D                mail domain of the users (default acme.test)          IDP_DOMAIN
  --sp URL|FILE             metadata of a service provider (repeatable; add-sp.sh adds more later)
  --no-sign-assertion       leave the assertion unsigned                          IDP_SIGN_ASSERTION=0
  --no-sign-response        leave the response unsigned                           IDP_SIGN_RESPONSE=0
  --encrypt                 encrypt assertions (1.19 has one way: AES-128-CBC, key by RSA-OAEP)   IDP_ENCRYPT=1
  --sso-bindings LIST       redirect,post (default); "post" alone makes the SP send a form   IDP_SSO_BINDINGS
  --sig-alg ALG             sha1, sha256 (default), sha384, sha512 (RSA)          IDP_SIG_ALG
  --nameid FORMAT           emailAddress (default), persistent, transient, unspecified   IDP_NAMEID
  --attributes KIND         basic (plain names, default), oid (urn:oid: names), minimal (no eduPersonPrincipalName)   IDP_ATTRIBUTES
  --want-signed-requests    refuse unsigned AuthnRequests; metadata says so       IDP_WANT_SIGNED=1
  --logout KIND             traditional (default) or iframe                       IDP_LOGOUT
  --no-slo                  leave single logout out of the metadata               IDP_NO_SLO=1
  --new-keys                make a new signing key and certificate (certificate rollover)
USAGE
}
newkeys=0
while [ $# -gt 0 ]; do
  case $1 in
    --port) PORT=$2; shift 2;;
    --host) HOST=$2; shift 2;;
    --dir) DIR=$2; shift 2;;
    --domain) DOMAIN=$2; shift 2;;
    --sp) sps+=("$2"); shift 2;;
    --no-sign-assertion) SSP_SIGN_ASSERTION=0; shift;;
    --no-sign-response) SSP_SIGN_RESPONSE=0; shift;;
    --encrypt) SSP_ENCRYPT=1; shift;;
    --sso-bindings) SSP_SSO_BINDINGS=$2; shift 2;;
    --sig-alg) SSP_SIG_ALG=$2; shift 2;;
    --nameid) SSP_NAMEID=$2; shift 2;;
    --attributes) SSP_ATTRIBUTES=$2; shift 2;;
    --want-signed-requests) SSP_WANT_SIGNED=1; shift;;
    --logout) SSP_LOGOUT=$2; shift 2;;
    --no-slo) SSP_NO_SLO=1; shift;;
    --new-keys) newkeys=1; shift;;
    -h|--help) usage; exit 0;;
    *) echo "start.sh: unknown option $1" >&2; usage >&2; exit 2;;
  esac
done
DIR=${DIR:-/tmp/samlgate-ssp-$PORT}
export SSP_DIR=$DIR SSP_BASE="http://$HOST:$PORT/" SSP_DOMAIN=$DOMAIN SSP_PORT=$PORT

# --- needed ------------------------------------------------------------------------------------------
if ! [ -f /usr/share/simplesamlphp/lib/_autoload.php ]; then
  echo "start.sh: SimpleSAMLphp is not installed. Run: .ci/tools install" >&2; exit 1
fi

# --- one at a time per directory -------------------------------------------------------------------
if [ -f "$DIR/pid" ]; then "$here/stop.sh" --dir "$DIR" >/dev/null || true; fi
if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
  echo "start.sh: something already listens on 127.0.0.1:$PORT" >&2; exit 1
fi

# --- private directory ------------------------------------------------------------------------------
umask 077
mkdir -p "$DIR"/{config,metadata,cert,sp,log,data,tmp,sessions}
cp "$here"/template/config/*.php "$DIR/config/"
cp "$here"/template/metadata/*.php "$DIR/metadata/"
[ -s "$DIR/salt" ] || openssl rand -hex 24 >"$DIR/salt"
if [ $newkeys = 1 ] || [ ! -s "$DIR/cert/idp.key" ]; then
  openssl req -x509 -newkey rsa:2048 -sha256 -days 3650 -nodes -subj "/CN=SimpleSAMLphp test IdP $PORT" \
    -keyout "$DIR/cert/idp.key" -out "$DIR/cert/idp.crt" >/dev/null 2>&1
fi

# --- run --------------------------------------------------------------------------------------------
# setsid: its own process group, so that stop.sh ends the workers together with their parent, by id.
env SIMPLESAMLPHP_CONFIG_DIR="$DIR/config" PHP_CLI_SERVER_WORKERS=3 \
  setsid php -d session.save_path="$DIR/sessions" -d opcache.enable_cli=1 -d error_reporting=22527 -d display_errors=0 \
  -S "127.0.0.1:$PORT" -t /usr/share/simplesamlphp/www >"$DIR/log/php.log" 2>&1 </dev/null &
echo $! >"$DIR/pid"
for _ in $(seq 1 60); do
  if curl -fsS -o "$DIR/idp-metadata.xml" "http://127.0.0.1:$PORT/saml2/idp/metadata.php" 2>/dev/null; then ok=1; break; fi
  kill -0 "$(cat "$DIR/pid")" 2>/dev/null || break
  sleep 0.25
done
if [ -z "${ok:-}" ]; then
  echo "start.sh: the IdP did not come up; log:" >&2
  tail -20 "$DIR/log/php.log" "$DIR/log/simplesamlphp.log" >&2 || true
  "$here/stop.sh" --dir "$DIR" >/dev/null 2>&1 || true
  exit 1
fi
for sp in ${sps[@]+"${sps[@]}"}; do "$here/add-sp.sh" --dir "$DIR" "$sp"; done
cat <<MSG
SimpleSAMLphp IdP: pid $(cat "$DIR/pid"), directory $DIR
  metadata   ${SSP_BASE}saml2/idp/metadata.php     (copy: $DIR/idp-metadata.xml)
  SSO        ${SSP_BASE}saml2/idp/SSOService.php
  users      olivia/olivia-pass  carl/carl-pass  nina/nina-pass   (@$DOMAIN)
  stop       $here/stop.sh --dir $DIR
MSG
