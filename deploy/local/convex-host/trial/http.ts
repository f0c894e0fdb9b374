// A trial HTTP action: tells the caller what reached it.

import { httpActionGeneric, httpRouter } from 'convex/server';

const http = httpRouter();

http.route({
  path: '/echo', method: 'POST',
  handler: httpActionGeneric(async (ctx, request) => {
    const identity = await ctx.auth.getUserIdentity();
    return Response.json({
      body: await request.text(), header: request.headers.get('x-trial'), who: identity?.name ?? null,
      query: new URL(request.url).searchParams.get('a'),
    }, { status: 201, headers: { 'X-Answer': 'yes' } });
  }),
});

export default http;
