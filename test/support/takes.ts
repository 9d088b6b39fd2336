/** Which channels a token takes, by a naive reading of the rule. */
export const takes = (named: readonly string[], channel: string): boolean =>
  named.some((name) =>
    name.endsWith('/*') ? channel.startsWith(name.slice(0, -1)) : name === channel,
  );
