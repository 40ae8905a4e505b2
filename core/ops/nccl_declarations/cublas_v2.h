#pragma once  // LibTorch's headers name these types, and nothing of them is used

typedef struct cublasContext* cublasHandle_t;
enum cublasStatus_t : int;
