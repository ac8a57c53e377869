#include "fingpt/Params/ParamStore.h"
