# shellcheck shell=bash
# A private apt: suites and architectures that the machine's own configuration
# need not have, from the mirror it does have, with lists of their own and no
# package installed. Nothing on the system changes. To be sourced after lib.sh
# and cache.sh.

# Lists older than this are fetched again.
apt_lists_max_age_minutes=$((7 * 24 * 60))

# use_apt_architecture ARCH: what the functions below speak of from here on, as
# Debian names it (amd64, arm64).
use_apt_architecture() {
  apt_architecture=$1
  apt_dir=$cache_dir/apt-$apt_architecture
}
use_apt_architecture "$(dpkg --print-architecture)"

private_apt() {
  local tool=$1
  shift
  "$tool" -o APT::Architecture="$apt_architecture" \
    -o APT::Architectures="$apt_architecture" \
    -o Dir::Etc::sourcelist="$apt_dir/sources.list" \
    -o Dir::Etc::sourceparts=- -o Dir::State::lists="$apt_dir/lists" \
    -o Dir::State::status="$apt_dir/status" -o APT::Default-Release= \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::Cache="$apt_dir" -o Dir::Cache::pkgcache=packages.bin \
    -o Dir::Cache::srcpkgcache=sources.bin -o APT::Sandbox::User= \
    "$@"
}

# debian_mirror: prints the URI of the Debian archive that this machine uses.
debian_mirror() {
  # shellcheck disable=SC2016  # apt's variables
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' |
    awk '$3 == "main" && $2 !~ /-|\// { print $1; found = 1; exit }
         END { exit !found }' ||
    fail "found no Debian archive in /etc/apt: its main component is needed"
}

# prepare_apt: makes the private apt usable; fetches the lists if they are
# missing or old.
prepare_apt() (
  mkdir -p "$apt_dir/lists/partial" "$apt_dir/archives/partial"
  exec 9>"$cache_dir/apt.lock"
  flock 9
  mirror=$(debian_mirror)
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  sources=$(for suite in bookworm bookworm-backports trixie; do
    printf 'deb-src [signed-by=%s] %s %s main\n' "$keys" "$mirror" "$suite"
    [[ $suite == trixie ]] ||
      printf 'deb [arch=%s signed-by=%s] %s %s main\n' \
        "$apt_architecture" "$keys" "$mirror" "$suite"
  done)
  stamp=$apt_dir/updated
  if [[ $sources == "$(cat "$stamp" 2>/dev/null)" &&
    -z $(find "$stamp" -mmin +"$apt_lists_max_age_minutes") ]]; then
    return
  fi
  progress "fetching package lists for $apt_architecture (about 30 MB)"
  : >"$apt_dir/status"
  printf '%s\n' "$sources" >"$apt_dir/sources.list"
  if private_apt apt-get -qq update >&2; then
    printf '%s\n' "$sources" >"$stamp"
  elif [[ -f $stamp ]]; then
    progress "could not refresh the package lists; using those of before"
  else
    fail "could not fetch package lists from the Debian archive"
  fi
)

# package_version NAME SUITE: prints the version in that suite, or nothing.
package_version() {
  { private_apt apt-cache show --no-all-versions -t "$2" "$1" 2>/dev/null ||
    true; } | awk '$1 == "Version:" { print $2; exit }'
}

# download_package NAME VERSION DIR: fetches the .deb into DIR (apt checks it
# against the signed lists) and prints its path.
download_package() (
  cd "$3"
  progress "fetching $1 $2"
  private_apt apt-get -qq download "$1=$2" >&2 || {
    rm -f "$apt_dir/updated" # the lists may be older than the archive
    fail "cannot fetch $1 $2 from the Debian archive; a second run reads new package lists"
  }
  printf '%s\n' "$3/"*.deb
)
