#pragma once  // LibTorch's headers name these types, and nothing of them is used

typedef struct cusparseContext* cusparseHandle_t;
enum cusparseStatus_t : int;
