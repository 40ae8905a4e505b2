/* Detects in one frame of pixels, as a camera gives them, and in a picture file.
     cc detect.c $(pkg-config --cflags --libs rtdetr) -o detect
     ./detect best.safetensors photo.jpg */
#include <rtdetr/rtdetr.h>
#include <stdio.h>
#include <stdlib.h>

static void require(const void* result, rtdetr_error* error) {
  if (result) return;
  fprintf(stderr, "%s\n", rtdetr_error_text(error));
  exit(rtdetr_error_code(error));
}

int main(int argc, char** argv) {
  const char* settings[] = {"device=cpu", "max_detections=100", NULL};
  static uint8_t frame[480 * 640 * 4]; /* BGRA */
  rtdetr_image image = {frame, 640, 480, 0, RTDETR_BGRA, NULL, 0};
  rtdetr_error* error = NULL;
  if (argc != 3) return fprintf(stderr, "usage: detect MODEL PICTURE\n"), 2;

  rtdetr_detector* detector = rtdetr_open(argv[1], settings, &error);
  require(detector, error);
  rtdetr_detections* in_frame = rtdetr_detect(detector, &image, 1, &error);
  require(in_frame, error);
  rtdetr_detections* in_file = rtdetr_detect_file(detector, argv[2], &error);
  require(in_file, error);

  const rtdetr_detection* found = rtdetr_detection_array(in_file, 0);
  for (size_t i = 0; i < rtdetr_detection_count(in_file, 0); ++i)
    printf("%s %.2f  %.0f %.0f %.0f %.0f\n", rtdetr_class_name(detector, (size_t)found[i].label), found[i].score,
           found[i].x0, found[i].y0, found[i].x1, found[i].y1);
  printf("%zu in the frame\n", rtdetr_detection_count(in_frame, 0));
  rtdetr_detections_free(in_file);
  rtdetr_detections_free(in_frame);
  rtdetr_close(detector);
  return 0;
}
