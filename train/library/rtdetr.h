#ifndef RTDETR_RTDETR_H
#define RTDETR_RTDETR_H

/// rtdetr for programs in C and in every language that calls C: detect with a model file, train one. C99.
///
/// Handles are opaque; each has one function that gives it back, which takes NULL, too. What fails returns NULL and,
/// where `error` is not NULL, a handle to the reason:
///
///     rtdetr_error* error = NULL;
///     rtdetr_detector* detector = rtdetr_open("best.safetensors", NULL, &error);
///     if (!detector) { fprintf(stderr, "%s\n", rtdetr_error_text(error)); rtdetr_error_free(error); return 1; }
///
/// No exception leaves these functions. Texts are UTF-8, end with 0, and live as long as their handle. A call sets
/// `*error` to NULL before it begins: free a handle there before it is handed in again. No handle may be given back
/// twice. What is asked of a NULL handle is 0, NULL or "", or -1 where 0 would say something.
///
/// Settings are "key=value" texts, ended by NULL, as those of a command line; NULL stands for none. What is out of
/// range or unknown is an error that names the nearest key.
///
/// Threads: a detector may be used by several threads at once, an error, detections or a run by one at a time.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Grows with every change that a program must be compiled anew for; rtdetr_abi_version() is the library's. Functions
/// and keys that are added leave it as it is.
#define RTDETR_ABI_VERSION 1
int32_t rtdetr_abi_version(void);
/// Of the library that runs: "0.1.0". That of the headers, for the preprocessor, is in <rtdetr/version.h>.
const char* rtdetr_version(void);

/* Errors */

typedef struct rtdetr_error rtdetr_error;
/// What went wrong, where, and what to do; several lines where several things did. "" for NULL.
const char* rtdetr_error_text(const rtdetr_error* error);
/// The program's exit code for it (docs/reference/exit_codes.md): 2 settings, 3 data, 4 model file, 5 files and
/// devices, 6 training diverged, 8 memory, 70 a fault of ours. 0 for NULL.
int32_t rtdetr_error_code(const rtdetr_error* error);
void rtdetr_error_free(rtdetr_error* error);

/* Detect */

typedef struct rtdetr_detector rtdetr_detector;

/// Opens a model file of `rtdetr train` or `export`, or another program's that `convert` reads.
/// Settings, all optional: device (cpu, cuda, cuda:1, auto), precision (fp32, bf16, fp16, int8), threads (of each call;
/// 0 = the process's), imgsz (640, or height,width), conf (smallest score; else the file's best), max_detections (300),
/// classes (find these alone: numbers with commas between; else all), one_class_per_query (false), iou and
/// agnostic_nms (of a YOLO, whose detections are suppressed; else the file's), num_queries (0 = the file's),
/// decoder_layers (0 = all), resample (pillow, opencv), fit (stretch, letterbox, keep_ratio; else the file's), engine
/// (true), final_form (false), max_pixels, reduced_jpeg.
rtdetr_detector* rtdetr_open(const char* model_file, const char* const* settings, rtdetr_error** error);
/// The same of a file's bytes in memory, which are not needed afterwards; other programs' files are refused.
rtdetr_detector* rtdetr_open_memory(const void* model_file, size_t bytes, const char* const* settings,
                                    rtdetr_error** error);
/// The same weights, not loaded again, with other settings: those that are not given are rtdetr_open()'s defaults, not
/// the first detector's, but for device, which is where the weights lie.
rtdetr_detector* rtdetr_share(const rtdetr_detector* detector, const char* const* settings, rtdetr_error** error);
void rtdetr_close(rtdetr_detector* detector);

size_t rtdetr_class_count(const rtdetr_detector* detector);
/// NULL if there are not so many.
const char* rtdetr_class_name(const rtdetr_detector* detector, size_t label);
int32_t rtdetr_input_width(const rtdetr_detector* detector);
int32_t rtdetr_input_height(const rtdetr_detector* detector);
/// Smallest score of a detection: conf, where it was given.
double rtdetr_min_score(const rtdetr_detector* detector);
/// Score at which precision and recall were best together when the model was validated; -1 if the file has none.
double rtdetr_best_score(const rtdetr_detector* detector);

/// What the bytes of a picture stand for.
enum {
  RTDETR_RGB = 0,
  RTDETR_BGR = 1,  /* OpenCV's */
  RTDETR_RGBA = 2, /* the fourth byte does not count */
  RTDETR_BGRA = 3,
  RTDETR_GRAY = 4,
  RTDETR_NV12 = 5,      /* luma, then Cb and Cr in turn for each 2 x 2 pixels; BT.601, 16 to 235 */
  RTDETR_NV12_BT709 = 6 /* the same with the colours of HD video */
};

/// A picture in the caller's memory, rows top to bottom. It is read where it lies, and not kept.
typedef struct rtdetr_image {
  const uint8_t* data; /* NV12: luma */
  int32_t width, height;
  ptrdiff_t stride;        /* bytes from one row to the next; 0 = no padding */
  int32_t format;          /* RTDETR_RGB … */
  const uint8_t* chroma;   /* NV12: the second plane; NULL = right behind the first */
  ptrdiff_t chroma_stride; /* NV12: 0 = as in the first plane */
} rtdetr_image;

typedef struct rtdetr_detection {
  float x0, y0, x1, y1; /* corners, pixels of the picture, inside it */
  float score;          /* 0 to 1 */
  int32_t label;        /* of rtdetr_class_name() */
} rtdetr_detection;

typedef struct rtdetr_detections rtdetr_detections;

/// In pictures of any sizes and formats.
rtdetr_detections* rtdetr_detect(const rtdetr_detector* detector, const rtdetr_image* images, size_t image_count,
                                 rtdetr_error** error);
/// In a JPEG, PNG, WebP, BMP or TIFF file.
rtdetr_detections* rtdetr_detect_file(const rtdetr_detector* detector, const char* picture, rtdetr_error** error);
/// The same of the file's bytes in memory.
rtdetr_detections* rtdetr_detect_memory(const rtdetr_detector* detector, const void* picture, size_t bytes,
                                        rtdetr_error** error);
/// How many were found in a picture of the call, numbered from 0.
size_t rtdetr_detection_count(const rtdetr_detections* detections, size_t image);
/// These, best first; NULL if there is no such picture.
const rtdetr_detection* rtdetr_detection_array(const rtdetr_detections* detections, size_t image);
void rtdetr_detections_free(rtdetr_detections* detections);

/* Train */

/// A step that was taken, or refused. Later versions of the library may add fields at the end.
typedef struct rtdetr_step {
  int64_t step;    /* optimizer steps of the run so far */
  int64_t epoch;   /* from 0 */
  int64_t epochs;  /* of the run; 0 = its time alone ends it */
  double progress; /* of the run, 0 to 1 */
  double loss;     /* sum of all terms */
  double seconds;  /* the step with its wait for data */
  int32_t applied; /* 0: a number was not finite, and nothing was changed */
} rtdetr_step;

/// An epoch that has ended, or one so far, where the run is validated by steps. Fields may be added at the end.
typedef struct rtdetr_epoch {
  int64_t epoch; /* from 0 */
  int64_t step;
  int32_t inside;       /* 1: the epoch goes on */
  int32_t validated;    /* 1: ap and ap50 were measured */
  double loss;          /* mean of its steps */
  double ap, ap50;      /* of the averaged weights on the split val; -1 = undefined */
  double train_seconds; /* of the run so far */
} rtdetr_epoch;

/// Each may be NULL. They are called by the thread that called rtdetr_train(), between two steps.
typedef struct rtdetr_callbacks {
  size_t size; /* sizeof(rtdetr_callbacks) */
  void* user;  /* handed to each */
  void (*on_step)(const rtdetr_step* step, void* user);
  void (*on_epoch)(const rtdetr_epoch* epoch, void* user);
  /// Asked in each step, before on_step is told of it, and after each validated batch; not 0: the run saves its state
  /// and ends with that step.
  int (*should_stop)(void* user);
} rtdetr_callbacks;

enum {
  RTDETR_FINISHED = 0,
  RTDETR_ALREADY_FINISHED = 1, /* nothing was changed */
  RTDETR_STOPPED = 2           /* should_stop said so; resume=auto goes on */
};

typedef struct rtdetr_run rtdetr_run;

/// Trains as `rtdetr train` with these settings does (docs/reference/commands.md#train), without its pictures, live
/// line and signals; data= is needed. One run at a time in a process, which trains with it alone.
/// @param callbacks  NULL = none
rtdetr_run* rtdetr_train(const char* const* settings, const rtdetr_callbacks* callbacks, rtdetr_error** error);
int32_t rtdetr_run_end(const rtdetr_run* run); /* RTDETR_FINISHED … */
const char* rtdetr_run_folder(const rtdetr_run* run);
/// The model file for rtdetr_open(); a run that was stopped may have none yet.
const char* rtdetr_run_best(const rtdetr_run* run);
int64_t rtdetr_run_epochs(const rtdetr_run* run);
int64_t rtdetr_run_steps(const rtdetr_run* run);
/// -1 if the run was never validated.
double rtdetr_run_best_ap(const rtdetr_run* run);
void rtdetr_run_free(rtdetr_run* run);

#ifdef __cplusplus
}
#endif

#endif
