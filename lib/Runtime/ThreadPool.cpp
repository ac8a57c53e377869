#include "fingpt/Runtime/ThreadPool.h"
