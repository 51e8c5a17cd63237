# shellcheck shell=bash
# What the guest scripts share: entries of the cache, a private apt, and root
# file systems. To be sourced; sets the shell's options. Standard output of the
# scripts is for results (KEY=VALUE lines), standard error for people.

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/lib.sh
source "$guest_dir/../tools/lib.sh"
mkdir -p "$cache_dir"

export LC_ALL=C
# The distribution's own tools, before any that a developer put in front.
export PATH=/usr/bin:/usr/sbin:/bin:/sbin:$PATH

# ensure_step STEP...: the packages that guest/packages.txt lists.
ensure_step() {
  local packages
  packages=$(listed_packages "$guest_dir/packages.txt" "$@")
  # shellcheck disable=SC2086  # one word a package
  ensure_packages $packages || fail "cannot go on without those packages"
}

# --- The cache -------------------------------------------------------------

# content_key WORD|FILE...: a short hash over the words, and over the content
# of those that name files.
content_key() {
  local item
  for item in "$@"; do
    if [[ -f $item ]]; then
      sha256sum <"$item"
    else
      printf '%s\n' "$item"
    fi
  done | sha256sum | cut -c1-16
}

# cached NAME KEY BUILD: prints the path of the entry NAME-KEY. If there is
# none, runs `BUILD DIR`, which fills an empty folder, and renames it into
# place; BUILD's standard output goes to standard error. Runs at the same time
# wait for one another; an interrupted one leaves no entry.
cached() (
  name=$1 key=$2 build=$3
  entry=$cache_dir/$name-$key
  if [[ ! -d $entry ]]; then
    exec 9>"$cache_dir/$name.lock"
    flock --nonblock 9 || {
      progress "$name: another run is making it; waiting"
      flock 9
    }
  fi
  if [[ ! -d $entry ]]; then
    rm -rf "$cache_dir/.$name".*
    new=$(mktemp -d "$cache_dir/.$name.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    chmod 755 "$new"
    "$build" "$new" >&2 9>&-
    mv -T "$new" "$entry"
  fi
  printf '%s\n' "$entry"
)

# --- A private apt ---------------------------------------------------------
# Suites that the machine's own configuration need not have, from the mirror it
# does have, with lists of their own: nothing on the system changes.

apt_dir=$cache_dir/apt
# Lists older than this are fetched again.
apt_lists_max_age_minutes=$((7 * 24 * 60))

private_apt() {
  local tool=$1
  shift
  "$tool" -o Dir::Etc::sourcelist="$apt_dir/sources.list" \
    -o Dir::Etc::sourceparts=- -o Dir::State::lists="$apt_dir/lists" \
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
      printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' \
        "$keys" "$mirror" "$suite"
  done)
  stamp=$apt_dir/updated
  if [[ $sources == "$(cat "$stamp" 2>/dev/null)" &&
    -z $(find "$stamp" -mmin +"$apt_lists_max_age_minutes") ]]; then
    return
  fi
  progress "fetching package lists (about 30 MB)"
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
  private_apt apt-cache show --no-all-versions -t "$2" "$1" 2>/dev/null |
    awk '$1 == "Version:" { print $2; exit }'
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

# --- Root file systems -----------------------------------------------------

# make_root DIR: an empty root with busybox under all of its names. /bin, /lib
# and so on are links into /usr, as Debian has them.
make_root() {
  local root=$1 name
  mkdir -p "$root"/{dev,proc,sys,tmp,root,usr/{bin,lib,lib64,sbin}}
  for name in bin lib lib64 sbin; do
    ln -s "usr/$name" "$root/$name"
  done
  cp /bin/busybox "$root/usr/bin/busybox"
  /bin/busybox --list | while IFS= read -r name; do
    [[ $name == busybox ]] || ln -s busybox "$root/usr/bin/$name"
  done
}

# pack_root DIR FILE: the folder as a cpio that is the same for the same content.
pack_root() {
  find "$1" -exec touch -h -d @0 {} +
  (cd "$1" && find . -print0 | sort -z |
    cpio --null --create --quiet --format=newc --reproducible --owner=0:0) >"$2"
}
