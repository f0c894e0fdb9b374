// Counts of polls. Pure.

/** An option with its votes. */
export interface Option {
  id: string;
  text: string;
  votes: number;
}

/** The plan's result of a poll. */
export interface Results {
  summary: string;
  breakdown: { option: string; count: number; percentage: number }[];
}

/** The options with their votes counted, and the result in the plan's form. Percentages are of the people who voted. */
export function tally(
  options: readonly Option[],
  votes: readonly { choices: readonly string[] }[],
): { options: Option[]; results: Results } {
  const counted = options.map((option) => ({
    ...option,
    votes: votes.filter(({ choices }) => choices.includes(option.id)).length,
  }));
  const breakdown = counted.map(({ text, votes: count }) => ({
    option: text,
    count,
    percentage: votes.length === 0 ? 0 : Math.round((count / votes.length) * 1000) / 10,
  }));
  const most = Math.max(0, ...counted.map(({ votes: count }) => count));
  const first = counted.filter(({ votes: count }) => count === most && most > 0).map(({ text }) => text);
  const people = `${votes.length} ${votes.length === 1 ? "vote" : "votes"}`;
  return { options: counted, results: { summary: first.length === 0 ? people : `${people}; ${first.join(", ")} first`, breakdown } };
}
