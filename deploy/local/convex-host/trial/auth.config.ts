// Whom the trial functions trust.

export default { providers: [{ domain: 'https://trial.example', applicationID: 'convex' }] };
