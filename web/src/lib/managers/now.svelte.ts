/** The time, once a second for all that shows it; and whether anybody can see the page. */
class Now {
  ms = $state(Date.now());
  isPageVisible = $state(true);

  start(): void {
    setInterval(() => {
      if (this.isPageVisible) this.ms = Date.now();
    }, 1000);
    document.addEventListener("visibilitychange", () => {
      this.isPageVisible = !document.hidden;
      this.ms = Date.now();
    });
  }
}

export const now = new Now();
