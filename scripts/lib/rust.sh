# Rust for the scripts that build: what Cargo.toml asks for, from Debian's packages where they are new enough, else by
# the official installer. Sourced after common.sh, in the checkout's top folder.
# shellcheck shell=bash

at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -1) == "$2" ]]; } # at_least HAVE WANTED

cargo_version() { cargo --version 2>/dev/null | cut -d' ' -f2; }

# What librdkafka, OpenSSL, Kerberos and SQLite are built with, and what fetches their sources.
need_compiler() {
  local missing=()
  command -v cc >/dev/null && command -v c++ >/dev/null && command -v make >/dev/null && command -v perl >/dev/null ||
    missing+=(build-essential)
  [[ -e /etc/ssl/certs/ca-certificates.crt || ! -e /etc/debian_version ]] || missing+=(ca-certificates)
  ((!${#missing[@]})) || need_packages "${missing[@]}"
}

# need_rust [PROGRAM…]: cargo, and its fmt or clippy.
need_rust() {
  local wanted packages=(rustc-web cargo-web) program
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
  if command -v rustup >/dev/null && ! at_least "$(cargo_version)" "$wanted"; then
    say "Rust $(cargo_version) is older than $wanted: updating it with rustup"
    rustup update --no-self-update stable >&2
    export RUSTUP_TOOLCHAIN=stable
  elif ! at_least "$(cargo_version)" "$wanted"; then
    if ((EUID == 0)) && debian_offers rustc-web "$wanted"; then
      for program in "$@"; do
        case $program in
          fmt) packages+=(rustfmt-web) ;;
          clippy) packages+=(rust-web-clippy) ;;
        esac
      done
      need_packages "${packages[@]}"
    else
      official_installer "$@"
    fi
  fi
  need_programs "$@"
}

debian_offers() {
  local offered
  command -v apt-get >/dev/null || return 1
  apt-get update -q >/dev/null 2>&1 || return 1
  offered=$(apt-cache policy "$1" | sed -n 's/^  Candidate: \([0-9.]*\).*/\1/p')
  [[ $offered ]] && at_least "$offered" "$2"
}

official_installer() {
  local components=()
  (($#)) && components=(--component "$(IFS=,; echo "${*/#fmt/rustfmt}")")
  need curl curl ca-certificates
  say "installing Rust with the official installer (rustup), into $HOME/.cargo"
  curl --proto '=https' --tlsv1.2 -sSf https://static.rust-lang.org/rustup/rustup-init.sh |
    sh -s -- -y --no-modify-path --profile minimal --default-toolchain stable "${components[@]}" >&2 ||
    die "the official installer failed: install Rust from https://rustup.rs, then run this again"
  PATH=$HOME/.cargo/bin:$PATH
}

need_programs() {
  local program
  for program in "$@"; do
    cargo "$program" --version >/dev/null 2>&1 && continue
    if command -v rustup >/dev/null; then
      rustup component add "${program/#fmt/rustfmt}" >&2
    else
      case $program in
        fmt) need_packages rustfmt-web ;;
        clippy) need_packages rust-web-clippy ;;
      esac
    fi
    cargo "$program" --version >/dev/null 2>&1 || die "\`cargo $program\` is missing, and could not be installed"
  done
}
