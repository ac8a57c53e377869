"""Test strings: words, scripts, controls, white space and random characters."""
import random

SCRIPTS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВЁё",
    "αβγδεζηθικλμνξοπρστυφχψωΑΒΓςάέ",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهويىءآأؤإئ٠١٢٣٤",
    "אבגדהוזחטיכךלמםנןסעפףצץקרשת",
    "अआइईउऊऋएऐओऔकखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसह़ािीुूृेैोौ्०१२३",
    "กขคงจฉชซญฎฏฐณดตถทธนบปผฝพฟภมยรลวศษสหอะาิีึืุูเแโใไ่้๊๋์๑๒๓",
    "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生",
    "가각간갇갈감갑값갓강개객거건걸검게겨결경계고한글\u1100\u1161\u11a8",
    "😀😁😂🤣👩👨👧👦❤️🏳️🌈👍🏽\u200d\u200d\ufe0f🇩🇪🇺🇸½①Ⅷ²",
    "e\u0301a\u0308o\u0302n\u0303u\u0328\u0323ǅﬁﬃſKÅΩﬀ①㎏ｱｶﾞＡ",
    "\x00\x01\x02\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f\u00ad\u200b\u200e\ufeff"
    "\u2028\u2029\ue000\ufffd\U000e0001",
    " \t\n\r\u00a0\u1680\u2003\u202f\u3000", " ", "  ", "\n",
    "'\"!?.,:;-–—_()[]{}<>/\\|@#$%^&*+=~`…“”‘’«»¿¡§€£¥©®™°±×÷",
    "あいうえおアイウエオ漢字かな々ー。、", "▁▁Ġ",
]
WORDS = [
    "'s", "'S", "'ll", "'LL", "'ſ", "don't", "I'm", "we've", "<s>", "</s>", "<unk>",
    "<0x0A>", "hello", "Hello", "world", "  ", "\n\n", "\r\n", "123", "1234567", "3.14",
    "http://x.y/z?q=1", "naïve", "WORLDwide", "iPhone", "McDonald", "[MASK]", "[CLS]",
    "[SEP]", "##ing", "the", "The", "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "MixedCase", "lone", "[L]", "[R]", "<sep>", "gleich",
]
RANGES = [(0x20, 0x300), (0x300, 0x3000), (0x3000, 0xD800), (0xE000, 0x11000),
          (0x11000, 0x1FB00)]


def strings(count, seed):
    r = random.Random(seed)
    out = ["", " ", "  ", "\n", "\t\n x", "Hello world", " Hello  world ", "▁", "a▁b",
           "a" * 300, " " * 300, "ab" * 200, "\u0301" * 50]
    while len(out) < count:
        text, main = "", r.choice(SCRIPTS)
        for _ in range(r.randint(1, 8)):
            kind = r.random()
            if kind < 0.3:
                text += r.choice(WORDS)
            elif kind < 0.4:
                text += " " * r.randint(1, 5)
            elif kind < 0.5:
                text += chr(r.randrange(*r.choice(RANGES)))
            else:
                script = main if r.random() < 0.6 else r.choice(SCRIPTS)
                text += "".join(r.choice(script) for _ in range(r.randint(1, 7)))
            if r.random() < 0.4:
                text += " "
        out.append(text)
    return out
