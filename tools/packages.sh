# shellcheck shell=bash
# Debian packages that a step needs: which, and installing what is missing.
# To be sourced. Needs bash with `set -e`; prints to standard error only.

packages_txt=$(dirname "${BASH_SOURCE[0]}")/packages.txt

# listed_packages STEP...: prints the packages that packages.txt lists for the
# steps, one a line. It has lines `STEP: package...`; a step may have several.
listed_packages() {
  local file=$packages_txt step line
  for step in "$@"; do
    grep -q "^$step:" "$file" || {
      printf '%s: has no step "%s"\n' "$file" "$step" >&2
      return 1
    }
    while IFS= read -r line; do
      tr -s ' ' '\n' <<<"${line#*:}" | sed '/^$/d'
    done < <(grep "^$step:" "$file")
  done
}

# missing_packages PACKAGE...: prints those that are not installed.
missing_packages() {
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
      sed -n 's/^installed //p' | sort -u)
}

# apt_get_as_root ARGUMENT...: apt-get, as root or through sudo.
apt_get_as_root() {
  local prefix=()
  ((EUID == 0)) || prefix=(sudo)
  "${prefix[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >&2
}

# ensure_packages PACKAGE...: installs what is missing; a failure names the
# packages and what to do.
ensure_packages() {
  local missing=() unknown=() package
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0

  command -v apt-get >/dev/null || {
    printf 'needs these Debian packages, and this machine has no apt-get: %s\n' \
      "${missing[*]}" >&2
    return 1
  }
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    printf 'needs packages; run as root: apt-get install %s\n' \
      "${missing[*]}" >&2
    return 1
  fi

  printf '==> installing %d Debian packages: %s\n' \
    "${#missing[@]}" "${missing[*]}" >&2
  apt_get_as_root update ||
    printf 'apt-get update failed; going on with the lists as they are\n' >&2
  for package in "${missing[@]}"; do
    apt-cache show --no-all-versions "$package" >/dev/null 2>&1 ||
      unknown+=("$package")
  done
  if ((${#unknown[@]})); then
    printf 'apt knows no package %s: check the sources in /etc/apt (%s)\n' \
      "${unknown[*]}" "Debian's main component is needed" >&2
    return 1
  fi
  apt_get_as_root install --yes --no-install-recommends "${missing[@]}" || {
    printf 'apt-get could not install: %s\n' "${missing[*]}" >&2
    return 1
  }
}
