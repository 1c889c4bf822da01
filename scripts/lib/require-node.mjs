// Imported before anything else, and in old syntax: it must run on every Node that can tell us its version.
const major = Number(process.versions.node.split('.')[0]);
if (!(major >= 20 && major <= 24)) {
  process.stderr.write(
    'Millrace needs Node 20 to 24; this is Node ' +
      process.versions.node +
      ' (' +
      process.execPath +
      ').\nInstall one of those, for example from https://nodejs.org/en/download, and try again.\n',
  );
  process.exit(1);
}
