/** What no workload measures. */
export const NOT_MEASURED_ANYWHERE = [
  'Networks: everything runs on one machine over loopback, and the load takes CPU time that users would bring themselves.',
  'Encryption: sockets are plain.',
  'Absolute speed: on a shared machine only the ratio to the floor of the same run and the CPU time a message mean much.',
];
/** By pairs and groups. */
export const NOT_MEASURED = [
  ...NOT_MEASURED_ANYWHERE,
  'Messages that stay: each round begins with an empty Redis.',
  'Power loss: what an ack level survives is a matter of the crash tests.',
];
