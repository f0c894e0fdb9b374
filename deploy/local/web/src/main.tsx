import '@livekit/components-styles';
import './look.css';
import { lazy, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';

// Fetched only where there are meetings: who only joins a room by its name does without.
const Platform = lazy(async () => ({ default: (await import('./meetings/platform')).Platform }));

const page = document.getElementById('page');
const convexUrl = document.querySelector<HTMLMetaElement>('meta[name="convex-url"]')?.content;
if (page) createRoot(page).render(convexUrl ? <Suspense><Platform url={convexUrl} /></Suspense> : <App />);
