/* Trains as `rtdetr train` does, tells of every step and epoch, and stops cleanly at Ctrl-C.
     cc train.c $(pkg-config --cflags --libs rtdetr) -o train
     ./train data=my.yaml model=rtdetr-n.yaml epochs=10 resume=auto */
#include <rtdetr/rtdetr.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stop;
static void on_signal(int number) { stop = number; }
static int should_stop(void* user) { return (void)user, stop != 0; }
static void on_step(const rtdetr_step* step, void* user) {
  (void)user;
  printf("step %lld, %3.0f %%: loss %.3f\n", (long long)step->step, 100 * step->progress, step->loss);
}
static void on_epoch(const rtdetr_epoch* epoch, void* user) {
  (void)user;
  if (epoch->validated) printf("epoch %lld: AP %.4f\n", (long long)epoch->epoch, epoch->ap);
}

int main(int argc, char** argv) {
  rtdetr_callbacks callbacks = {sizeof callbacks, NULL, on_step, on_epoch, should_stop};
  rtdetr_error* error = NULL;
  (void)argc; /* argv ends with NULL, as settings do */
  signal(SIGINT, on_signal);
  rtdetr_run* run = rtdetr_train((const char* const*)argv + 1, &callbacks, &error);
  if (!run) return fprintf(stderr, "%s\n", rtdetr_error_text(error)), rtdetr_error_code(error);
  printf("%s after %lld steps: %s\n", rtdetr_run_end(run) == RTDETR_STOPPED ? "stopped" : "finished",
         (long long)rtdetr_run_steps(run), rtdetr_run_best(run));
  rtdetr_run_free(run);
  return 0;
}
