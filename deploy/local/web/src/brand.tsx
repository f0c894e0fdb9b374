// The mark and the name, the same on every page.

export function Brand() {
  return (
    <p className="brand">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <g fill="none" strokeWidth="3">
          <circle cx="16" cy="16" r="13" className="ring-outer" />
          <circle cx="16" cy="16" r="7.5" className="ring-inner" />
        </g>
        <circle cx="16" cy="16" r="2.8" className="ring-heart" />
      </svg>
      TOF Meet
    </p>
  );
}
