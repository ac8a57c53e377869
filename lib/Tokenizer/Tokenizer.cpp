#include "fingpt/Tokenizer/Tokenizer.h"
