# pkgs.callPackage ./package.nix { src = builtins.fetchGit <this repository>; }   (tracked files only, not target/)
{ lib, rustPlatform, installShellFiles, src }:

rustPlatform.buildRustPackage {
  pname = "isar-doctor";
  version = (lib.importTOML "${src}/Cargo.toml").package.version;
  inherit src;
  cargoLock.lockFile = "${src}/Cargo.lock";
  nativeBuildInputs = [ installShellFiles ];
  # The tests build Debian images, for which the sandbox has no mirror.
  doCheck = false;
  postInstall = ''
    installShellCompletion --cmd isar-doctor \
      --bash <($out/bin/isar-doctor completions bash) \
      --zsh <($out/bin/isar-doctor completions zsh) \
      --fish <($out/bin/isar-doctor completions fish)
    $out/bin/isar-doctor man man1
    installManPage man1/*.1
  '';
  meta = {
    description = "Says why a Debian image built with ISAR does not come up";
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "isar-doctor";
    platforms = lib.platforms.linux;
  };
}
